-- +goose Up
-- The side that a person gave the whole entity to ('git' or 'database'); '' for an
-- ordinary write. It is a change like any other: captured, decided on, consumed.
ALTER TABLE mirror_changes ADD COLUMN take text NOT NULL DEFAULT '';
