-- +goose Up
-- How many actions a run had beside those that its row lists: the list is bounded.
ALTER TABLE sync_runs ADD COLUMN actions_left_out integer NOT NULL DEFAULT 0;
