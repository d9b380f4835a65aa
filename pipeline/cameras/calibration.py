"""From pixels to the ground: homographies, and optics where there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.cameras import frame
from pipeline.cameras.registry import Camera

#: Ground points farther than this from the camera are not believed.
MAX_RANGE_M = 150.0
#: Error of a foot point in the image, pixels (1 sd), where none is stated.
FOOT_ERROR_PX = 4.0
#: Error of angles read off a plan instead of surveyed, as a share of the range.
OPTICS_RANGE_ERROR = 0.10
MIN_ERROR_M = 0.05


@dataclass(frozen=True)
class Projector:
    """Takes foot points of one camera's image to the ground.

    `matrix` maps homogeneous pixels of a width x height image to EPSG:5186
    metres relative to the camera (`x_m`, `y_m`), float64 [3, 3], scaled so that
    the third component is positive for points in front of the camera.
    """

    matrix: np.ndarray
    x_m: float
    y_m: float
    base_error_m: float
    range_error: float
    foot_error_px: float

    def project(self, foot_px: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Project foot points to the ground.

        Parameters
        ----------
        foot_px : float [n, 2], pixels (x right, y down), the middle of the lower
            edge of a person's box.

        Returns
        -------
        x_m, y_m, error_m : float64 [n], EPSG:5186 metres and 1 sd of the error
            (calibration and foot point together). NaN above the horizon and
            beyond 150 m.
        """
        points = np.asarray(foot_px, dtype=np.float64).reshape(-1, 2)
        homogeneous = np.column_stack([points, np.ones(len(points))]) @ self.matrix.T
        w = homogeneous[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            east = homogeneous[:, 0] / w
            north = homogeneous[:, 1] / w
            away = np.hypot(east, north)
            good = (w > 0) & (away <= MAX_RANGE_M)
            spread = self._metres_per_pixel(east, north, w) * self.foot_error_px
        east, north = np.where(good, east, np.nan), np.where(good, north, np.nan)
        error = np.hypot(self.base_error_m + self.range_error * away, spread)
        error = np.where(good, np.maximum(error, MIN_ERROR_M), np.nan)
        return east + self.x_m, north + self.y_m, error

    def _metres_per_pixel(
        self, east: np.ndarray, north: np.ndarray, w: np.ndarray
    ) -> np.ndarray:
        """Return the ground length of one pixel of image height at each point."""
        matrix = self.matrix
        d_east = (matrix[0, 1] - east * matrix[2, 1]) / w
        d_north = (matrix[1, 1] - north * matrix[2, 1]) / w
        return np.hypot(d_east, d_north)

    def image_of(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Return the pixels [n, 2] of EPSG:5186 ground points (NaN behind)."""
        points = np.column_stack(
            [np.asarray(x_m) - self.x_m, np.asarray(y_m) - self.y_m, np.ones(len(x_m))]
        )
        pixels = points @ np.linalg.inv(self.matrix).T
        with np.errstate(divide="ignore", invalid="ignore"):
            image = pixels[:, :2] / pixels[:, 2:]
        return np.where(pixels[:, 2:] > 0, image, np.nan)


def ground_projector(camera: Camera, width: int, height: int) -> Projector | None:
    """Return the projector of a camera for images of width x height pixels.

    A homography of the registry is used as it is, scaled when the image size
    differs from the one it was measured on. Without one, height, tilt, heading
    and field of view give it (pinhole over flat ground, square pixels, principal
    point in the middle: Hartley & Zisserman, "Multiple View Geometry", 2nd ed.,
    chapters 6 and 8), with a larger stated error.

    Returns
    -------
    None where the camera has neither.
    """
    x_m, y_m = (float(value) for value in frame.to_metric(camera.lon, camera.lat))
    calibration = camera.calibration
    if calibration and calibration.get("kind") == "homography":
        matrix = np.array(calibration["image_px_to_metric_m"], dtype=np.float64)
        w, h = calibration["image_size"]
        matrix = matrix @ np.diag([w / width, h / height, 1.0])
        shift = np.array([[1, 0, -x_m], [0, 1, -y_m], [0, 0, 1.0]])
        matrix = _facing(shift @ matrix, width, height)
        foot_px = FOOT_ERROR_PX * height / h
        error_m = float(calibration.get("error_m") or 0.0)
        return Projector(matrix, x_m, y_m, error_m, 0.0, foot_px)
    optics = (camera.height_m, camera.heading_deg, camera.tilt_deg, camera.fov_deg)
    if any(value is None for value in optics):
        return None
    matrix = optics_homography(*optics, width, height)  # type: ignore[arg-type]
    return Projector(
        matrix, x_m, y_m, 0.0, OPTICS_RANGE_ERROR, FOOT_ERROR_PX * height / 576
    )


def pixels_per_metre(camera: Camera, lon: float, lat: float) -> float | None:
    """Return how many pixels of the image a metre across takes at a place.

    Parameters
    ----------
    lon, lat : WGS84 degrees, on the ground.

    Returns
    -------
    None where the camera has no calibration, its image size is not known, or the
    place lies behind it or beyond 150 m.
    """
    size = camera.image_size
    projector = ground_projector(camera, *size) if size else None
    if projector is None:
        return None
    x, y = (float(value) for value in frame.to_metric(lon, lat))
    east, north = x - projector.x_m, y - projector.y_m
    away = math.hypot(east, north)
    if not 0.1 < away <= MAX_RANGE_M:
        return None
    across = np.array([-north, east]) / away / 2  # half a metre across the view
    ends = projector.image_of(
        np.array([x - across[0], x + across[0]]),
        np.array([y - across[1], y + across[1]]),
    )
    length = float(np.hypot(*(ends[1] - ends[0])))
    return length if math.isfinite(length) else None


def optics_homography(
    height_m: float,
    heading_deg: float,
    tilt_deg: float,
    fov_deg: float,
    width: int,
    height: int,
) -> np.ndarray:
    """Return pixels -> ground metres (east, north) from the camera's foot.

    Parameters
    ----------
    height_m : of the lens over the ground.
    heading_deg, tilt_deg, fov_deg : clockwise from north; down from the
        horizontal; horizontal field of view.
    width, height : of the image in pixels.

    Returns
    -------
    float64 [3, 3]; the third component of a mapped pixel is positive for pixels
    below the horizon.
    """
    focal = width / 2 / math.tan(math.radians(fov_deg) / 2)
    heading, tilt = math.radians(heading_deg), math.radians(tilt_deg)
    forward = np.array(
        [
            math.sin(heading) * math.cos(tilt),
            math.cos(heading) * math.cos(tilt),
            -math.sin(tilt),
        ]
    )
    right = np.array([math.cos(heading), -math.sin(heading), 0.0])
    down = np.cross(forward, right)
    pixel_to_ray = np.array(
        [[1 / focal, 0, -width / 2 / focal], [0, 1 / focal, -height / 2 / focal]]
    )
    pixel_to_ray = np.vstack([pixel_to_ray, [0.0, 0.0, 1.0]])
    ray = np.column_stack([right, down, forward]) @ pixel_to_ray
    return np.vstack([height_m * ray[0], height_m * ray[1], -ray[2]])


def _facing(matrix: np.ndarray, width: int, height: int) -> np.ndarray:
    """Scale a homography so that the image's lower edge has positive depth."""
    depth = matrix[2] @ np.array([width / 2, height - 1.0, 1.0])
    return matrix if depth > 0 else -matrix
