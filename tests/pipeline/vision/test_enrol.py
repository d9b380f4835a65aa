from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pipeline.errors import PhotoError
from pipeline.vision import enrol

pytestmark = [pytest.mark.models]


@pytest.fixture(scope="module")
def photo(media: Path) -> Image.Image:
    small = Image.open(media / "faces/lfw/Aaron_Peirsol/Aaron_Peirsol_0001.jpg")
    return small.convert("RGB").resize((600, 600), Image.Resampling.BICUBIC)


def content(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.media
def test_every_kind_of_photo_gives_the_same_person(
    photo: Image.Image,
    weights_dir: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    grey = np.asarray(photo.convert("L"), np.uint16)
    lying = photo.rotate(90, expand=True)  # EXIF 6: turn clockwise to see it upright
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "photo.jpg").write_bytes(content(photo, "JPEG", quality=92))
    base = enrol.embed_photo(tmp_path / "photo.jpg", weights_dir)
    assert base.embedding.shape == (192,)
    assert base.embedding.dtype == np.float32
    assert base.quality > 0.3
    assert base.face_width_px > 100
    assert base.model == "mobilefacenet"
    kinds = {
        "grayscale": content(photo.convert("L")),
        "16-bit": content(Image.fromarray(grey * 257)),
        "CMYK": content(photo.convert("CMYK"), "JPEG", quality=92),
        "palette": content(photo.convert("P")),
        "transparent": content(photo.convert("RGBA")),
        "EXIF-rotated": content(lying, "JPEG", quality=92, exif=exif),
        "100 megapixels": content(photo.resize((10_000, 10_000)), "JPEG"),
    }
    for kind, data in kinds.items():
        other = enrol.embed_photo(data, weights_dir)
        assert float(base.embedding @ other.embedding) > 0.75, kind
    assert capfd.readouterr().err == ""  # the native libraries keep quiet


@pytest.mark.media
def test_unfit_photos_are_refused_in_a_sentence(
    photo: Image.Image, weights_dir: Path, tmp_path: Path
) -> None:
    two = Image.new("RGB", (1200, 600))
    two.paste(photo, (0, 0))
    two.paste(photo, (600, 0))
    blurred = photo.filter(ImageFilter.GaussianBlur(14))
    unfit = {
        "2 faces": content(two),
        "No face": content(Image.new("RGB", (400, 300), "gray")),
        "1 x 1 pixels": content(Image.new("RGB", (1, 1))),
        "pixels wide": content(photo.resize((90, 90))),
        "blurred": content(blurred),
        "not a photo": b"GIF89a and then nothing",
    }
    for told, data in unfit.items():
        with pytest.raises(PhotoError, match=told) as refused:
            enrol.embed_photo(data, weights_dir)
        assert "\n" not in str(refused.value)
    with pytest.raises(PhotoError, match=r"absent\.jpg cannot be read"):
        enrol.embed_photo(tmp_path / "absent.jpg", weights_dir)
    with pytest.raises(PhotoError, match="not a photo"):
        enrol.embed_photo(b"", weights_dir)
    cut = content(photo, "JPEG")[:2000]
    with pytest.raises(PhotoError):
        enrol.embed_photo(cut, weights_dir)


@pytest.mark.media
def test_a_face_turned_away_is_refused(media: Path, weights_dir: Path) -> None:
    from pipeline.vision.faces import FaceDetector, yaw

    detector = FaceDetector(weights_dir)
    turned = []
    for path in sorted((media / "faces" / "lfw").glob("*/*_0001.jpg"))[:150]:
        image = enrol.read_photo(path)
        found = detector(image)
        if len(found.scores) == 1 and abs(yaw(found.landmarks[0])) > 0.75:
            turned.append(path)
    assert turned
    for path in turned:
        with pytest.raises(PhotoError, match="turned away"):
            enrol.embed_photo(path, weights_dir)
