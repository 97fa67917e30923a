-- Times are microseconds since 1970, truth values 0 and 1, documents JSON text:
-- SQLite and PostgreSQL read this file alike.

-- +goose Up
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE zones (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    kind     TEXT NOT NULL,
    paused   SMALLINT NOT NULL,
    settings TEXT NOT NULL,
    serial   BIGINT NOT NULL,
    version  BIGINT NOT NULL,
    created  BIGINT NOT NULL,
    modified BIGINT NOT NULL
);

CREATE TABLE records (
    id       TEXT PRIMARY KEY,
    zone     TEXT NOT NULL REFERENCES zones (id) ON DELETE CASCADE,
    type     TEXT NOT NULL,
    name     TEXT NOT NULL,
    content  TEXT NOT NULL,
    priority INTEGER NOT NULL,
    data     TEXT NOT NULL,
    proxied  SMALLINT NOT NULL,
    ttl      INTEGER NOT NULL,
    comment  TEXT NOT NULL,
    tags     TEXT NOT NULL,
    version  BIGINT NOT NULL,
    created  BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    UNIQUE (zone, name, type, content, priority)
);

CREATE TABLE objects (
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    zone     TEXT NOT NULL,
    name     TEXT NOT NULL,
    body     TEXT NOT NULL,
    version  BIGINT NOT NULL,
    created  BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    PRIMARY KEY (kind, id),
    UNIQUE (kind, zone, name)
);

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    hash       TEXT NOT NULL UNIQUE,
    status     TEXT NOT NULL,
    policies   TEXT NOT NULL,
    conditions TEXT NOT NULL,
    not_before BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    last_used  BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    created    BIGINT NOT NULL,
    modified   BIGINT NOT NULL
);

CREATE TABLE audit (
    id     TEXT PRIMARY KEY,
    at     BIGINT NOT NULL,
    zone   TEXT NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    kind   TEXT NOT NULL,
    object TEXT NOT NULL,
    before TEXT NOT NULL,
    after  TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_zone ON audit (zone, at);

CREATE TABLE events (
    id   TEXT PRIMARY KEY,
    zone TEXT NOT NULL,
    at   BIGINT NOT NULL,
    ray  TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX events_zone ON events (zone, at);
CREATE INDEX events_ray ON events (ray);

-- +goose Down
DROP TABLE events;
DROP TABLE audit;
DROP TABLE tokens;
DROP TABLE objects;
DROP TABLE records;
DROP TABLE zones;
DROP TABLE meta;
