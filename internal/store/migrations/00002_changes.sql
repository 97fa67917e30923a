-- +goose Up
-- What was changed by which process, for the others on the same file: the newest
-- thousand changes. PostgreSQL tells by itself (NOTIFY).
CREATE TABLE changes (
    seq       INTEGER PRIMARY KEY,
    writer    TEXT NOT NULL,
    zones     TEXT NOT NULL,
    elsewhere INTEGER NOT NULL
);

-- +goose Down
DROP TABLE changes;
