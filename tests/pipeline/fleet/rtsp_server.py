"""A real RTSP server (GStreamer's); run by the system's Python, not imported.

Usage: rtsp_server.py PORT CLIP.mp4[,CLIP.mp4 ...] [USER PASSWORD]

Several clips follow each other in one stream, also of other picture sizes.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
port, clip, *credentials = sys.argv[1:]
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
factory = GstRtspServer.RTSPMediaFactory()
films = " ".join(
    f'filesrc location="{one}" ! qtdemux ! h264parse ! joined.'
    for one in clip.split(",")
)
factory.set_launch(
    f"( {films} concat name=joined ! h264parse config-interval=1 "
    "! rtph264pay name=pay0 pt=96 )"
)
factory.set_shared(False)
if credentials:
    user, password = credentials
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)
server.get_mount_points().add_factory("/live", factory)
if server.attach(None) == 0:
    sys.exit("the port is taken")
print("ready", flush=True)
GLib.MainLoop().run()
