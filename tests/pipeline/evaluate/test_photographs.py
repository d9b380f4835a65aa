"""The commands that measure faces, masks and fairness, on data they never saw."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

pytestmark = [pytest.mark.models, pytest.mark.media]
PEOPLE = 4


def run(*words: object) -> Result:
    from pipeline.cli import app, register

    register()
    return CliRunner().invoke(app, ["evaluate", *map(str, words)])


@pytest.fixture(scope="module")
def people(media: Path) -> list[list[Path]]:
    """Two photographs each of some people."""
    folders = sorted((media / "faces" / "lfw").iterdir())[:: 320 // PEOPLE]
    return [sorted(folder.glob("*.jpg"))[:2] for folder in folders[:PEOPLE]]


def write(path: Path, heading: str, rows: list[tuple]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(heading.split(","))
        writer.writerows(rows)
    return path


def test_faces_are_measured_bare_and_masked(
    people: list[list[Path]], weights_dir: Path, media: Path, tmp_path: Path, settings
) -> None:
    same = [(a.name, b.name, 1) for a, b in people]
    other = [
        (a.name, people[(k + 1) % PEOPLE][1].name, 0) for k, (a, _) in enumerate(people)
    ]
    for path in (p for pair in people for p in pair):
        (tmp_path / path.name).symlink_to(path)
    pairs = write(tmp_path / "mine.csv", "image_a,image_b,same_person", same + other)
    out = tmp_path / "out" / "faces.json"
    given = ["faces", "--pairs", pairs, "--masked"]
    done = run(*given, "--folds", 4, "--width", 30, "--json", out)
    assert done.exit_code == 0, done.output
    figures = json.loads(out.read_text())
    keys = "accuracy tar_at_far_1e-2 tar_at_far_1e-3 eer cllr detection_rate"
    assert set(keys.split()) <= set(figures)
    assert figures["condition"] == "one_masked/full"
    assert (figures["pairs"], figures["images"]) == (2 * PEOPLE, 2 * PEOPLE)
    bare = figures["by_condition"]["bare/full"]
    assert bare["accuracy"] > 0.7
    assert bare["detection_rate"] == 1
    assert bare["tar_at_far_1e-3"] == 1
    for kind in ("bare", "one_masked", "one_masked_bare_template", "both_masked"):
        for width in ("full", "30px"):
            one = figures["by_condition"][f"{kind}/{width}"]
            assert one["genuine"] == one["impostor"] == PEOPLE
            told = sum(s["genuine"] + s["strangers"] for s in one["reliability"])
            assert told == one["compared"]
    assert 0 < figures["cllr"] < 1.5
    assert 0 < figures["by_condition"]["bare/full"]["cllr_by_quality"] < 1.5
    diagram = out.with_suffix(".svg").read_text()
    assert all(f">{name}</text>" in diagram for name in figures["by_condition"])
    refused = run(*given, "--folds", 2)
    assert "at least 3 parts" in str(refused.exception)


def test_fairness_is_measured_by_group(
    people: list[list[Path]], weights_dir: Path, media: Path, tmp_path: Path, settings
) -> None:
    root = media / "faces" / "lfw"
    rows = [
        (p.relative_to(root), p.parent.name, ("north", "south")[k % 2])
        for k, pair in enumerate(people)
        for p in pair
    ]
    rows.append((rows[0][0], rows[0][1], "north"))
    groups = write(tmp_path / "groups.csv", "image,person,group", rows)
    out = tmp_path / "fair.json"
    done = run("fairness", "--groups", groups, "--root", root, "--json", out)
    assert done.exit_code == 0, done.output
    figures = json.loads(out.read_text())
    assert set(figures["groups"]) == {"north", "south"}
    for one in figures["groups"].values():
        assert one["persons"] == 2
        assert one["miss_rate"] == 0
        low, high = one["miss_rate_wilson"]
        assert low == 0 < high < 1
        assert one["impostor_pairs"] >= 4
    wrong = write(tmp_path / "wrong.csv", "image,person,group", [*rows, rows[0][:2]])
    refused = run("fairness", "--groups", wrong, "--root", root)
    assert refused.exit_code != 0
    assert ["image", "person", "group"][2] in str(refused.exception)


def test_masks_are_measured_on_whatever_pictures_come(
    media: Path, weights_dir: Path, tmp_path: Path, settings
) -> None:
    """Grey, deep, printed, turned, tiny, cut off, none at all."""
    for name in ("with_mask", "without_mask"):
        (tmp_path / name / "sub").mkdir(parents=True)
    worn = sorted((media / "masks" / "with_mask").iterdir())
    large = next(p for p in worn if max(Image.open(p).size) >= 224)
    mask = Image.open(large).convert("RGB")
    face = Image.open(sorted((media / "faces/lfw").glob("*/*.jpg"))[0]).convert("RGB")
    grey = np.asarray(mask.convert("L"), np.uint16)
    mask.save(tmp_path / "with_mask" / "plain.png")
    mask.convert("L").save(tmp_path / "with_mask" / "grey.png")
    Image.fromarray(grey * 257).save(tmp_path / "with_mask" / "deep.png")
    mask.convert("CMYK").save(tmp_path / "with_mask" / "sub" / "print.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    face.rotate(90, expand=True).save(tmp_path / "without_mask" / "t.jpg", exif=exif)
    scene = Image.new("RGB", (1600, 1000), (90, 110, 100))
    scene.paste(face.resize((220, 220)), (900, 300))
    scene.save(tmp_path / "without_mask" / "scene.jpg")
    Image.new("RGB", (1, 1)).save(tmp_path / "without_mask" / "sub" / "one.png")
    Image.new("RGB", (300, 200)).save(tmp_path / "without_mask" / "nobody.png")
    whole = (tmp_path / "without_mask" / "scene.jpg").read_bytes()
    (tmp_path / "without_mask" / "cut.jpg").write_bytes(whole[:600])
    out = tmp_path / "masks.json"
    done = run("masks", tmp_path, "--json", out)
    assert done.exit_code == 0, done.output
    figures = json.loads(out.read_text())
    assert (figures["images"], figures["undecodable"]) == (8, 1)
    assert figures["no_face"] == 2
    confusion = figures["confusion"]
    assert confusion["with_mask"]["worn"] == 4
    assert confusion["without_mask"] == {
        "worn": 0,
        "incorrect": 0,
        "none": 2,
        "unknown": 2,
    }
    assert figures["balanced_accuracy"] == 1
    assert figures["unknown_share"] == pytest.approx(2 / 8)
    assert 0 <= figures["ece"] <= 0.3
