"""Settings of one installation, from dongseon.toml and DONGSEON_* variables."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

CHECKOUT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Where things lie and how the pipeline works; every field has a default.

    Relative paths are taken from the checkout, not from the working directory.
    """

    model_config = SettingsConfigDict(
        env_prefix="DONGSEON_", toml_file=CHECKOUT / "dongseon.toml", extra="ignore"
    )

    data_dir: Path = Field(CHECKOUT / "data", description="home of everything stored")
    observations: str = Field(
        "",
        description="where the observation segments lie, as a folder or an address "
        "such as s3://bucket/city; default: DATA_DIR/observations",
    )
    observations_endpoint: str = Field(
        "",
        description="URL of an S3-compatible server other than Amazon's; its keys come "
        "from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or from AWS's own files",
    )
    observations_patience_s: float = Field(
        60.0, ge=0, description="seconds for which a broken connection is tried again"
    )
    registry: Path = Field(
        CHECKOUT / "camera_registry.geojson", description="camera registry"
    )
    roads: Path | None = Field(
        None,
        description="roads under the dashboard's map: PMTiles, GeoPackage, GeoJSON "
        "or Shapefile",
    )
    roads_source: str = Field("", description="whose roads they are, shown on the map")
    streets: Path | None = Field(
        None,
        description="streets by which a trace measures ways: an extract of "
        "OpenStreetMap (.osm.pbf), GeoPackage, GeoJSON or Shapefile; default: straight "
        "lines and a detour factor",
    )
    models_dir: Path | None = Field(
        None, description="model weights; default: DATA_DIR/models"
    )
    key_file: Path = Field(
        Path.home() / ".config" / "dongseon" / "casebook.key",
        description="key of the casebook, outside the data folder",
    )
    casebook_url: str | None = Field(
        None, description="SQLAlchemy URL; default: SQLite in DATA_DIR"
    )
    time_zone: str = Field("Asia/Seoul", description="zone in which times are shown")
    sample_fps: float = Field(
        5.0, gt=0, description="analysed frames per second while anything moves"
    )
    quality: Literal["full", "triage"] = Field(
        "full",
        description="full = every moment in which something moves; triage = key "
        "frames only, one in two seconds: tells where people were, for a first look",
    )
    part_seconds: float = Field(
        300.0, gt=1, description="footage per atomic unit of storage, seconds"
    )
    threads: int = Field(2, ge=1, description="threads of the inference engine")
    reserve_gb: float = Field(
        1.0, ge=0, description="gigabytes of the disk that new work leaves free"
    )
    retention_days: int = Field(14, ge=1, description="days observations are kept")
    log: Literal["text", "json"] = Field(
        "text",
        description="form of the log that watch, worker, dashboard and the store's "
        "upkeep write to stderr: lines for people, or a JSON object each",
    )
    user: str = Field("local", description="who acts, on a single machine")
    login: Literal["auto", "single", "local", "proxy", "oidc"] = Field(
        "auto",
        description="who may see the dashboard: single = whoever sits at this machine; "
        "local = accounts with passwords; proxy = whom a trusted reverse proxy names; "
        "oidc = whom an OpenID provider names; auto = single after the demonstration, "
        "otherwise local; accounts always end single",
    )
    trusted_proxies: str = Field(
        "", description="addresses or networks of reverse proxies, with commas"
    )
    proxy_header: str = Field(
        "X-Forwarded-User", description="header in which a trusted proxy names a person"
    )
    oidc_issuer: str | None = Field(None, description="URL of the OpenID provider")
    oidc_client_id: str = Field("dongseon", description="name of this installation")
    oidc_secret_file: Path | None = Field(
        None, description="file with the client's secret, outside the data folder"
    )
    oidc_claim: str = Field(
        "preferred_username", description="claim that holds the account's name"
    )
    public_url: str | None = Field(
        None, description="address people open the dashboard at; OpenID needs it"
    )

    @property
    def observations_dir(self) -> Path:
        """Folder of the observation segments, where they lie on this machine."""
        if self.observations and "://" not in self.observations:
            return CHECKOUT / self.observations
        return self.data_dir / "observations"

    @property
    def database(self) -> Path:
        """DuckDB file that holds views and documentation only."""
        return self.data_dir / "dongseon.duckdb"

    @property
    def results_dir(self) -> Path:
        """Folder of trace results, one sub-folder per case."""
        return self.data_dir / "results"

    @property
    def weights_dir(self) -> Path:
        """Folder of model weights."""
        return self.models_dir or self.data_dir / "models"

    @property
    def casebook_database_url(self) -> str:
        """SQLAlchemy URL of the casebook."""
        return self.casebook_url or f"sqlite:///{self.data_dir / 'casebook.sqlite'}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before environment before dongseon.toml."""
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls),
        )


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process (read once)."""
    return Settings()  # type: ignore[call-arg]
