-- +goose Up
-- Whose doing an event is; '' for what a run found.
ALTER TABLE mirror_events ADD COLUMN who text NOT NULL DEFAULT '';
