-- +goose Up
-- What was said of the pull requests into a mirror's branch, so that nothing is said twice.
-- No foreign keys: what is left here is swept.
CREATE TABLE mirror_review_rounds (
    organization_id TEXT PRIMARY KEY NOT NULL,
    identity        TEXT NOT NULL,            -- of the mirror; what another one was told counts for nothing
    listed_at       TIMESTAMP,                -- when the host was last asked for the open ones
    head            TEXT NOT NULL DEFAULT '', -- the mirrored branch's commit that all was reviewed against
    credentials     TEXT NOT NULL DEFAULT '', -- digest of those that were used
    unable          TEXT NOT NULL DEFAULT '{}' -- what they lack the permission for, and when that was found
);
CREATE TABLE mirror_reviews (
    organization_id TEXT NOT NULL,
    pull_request    INTEGER NOT NULL,
    branch          TEXT NOT NULL,
    fork            TEXT NOT NULL DEFAULT '', -- the source's repository, when that is another one
    source          TEXT NOT NULL DEFAULT '', -- the commits reviewed
    destination     TEXT NOT NULL DEFAULT '',
    status          TEXT NOT NULL DEFAULT '', -- digest of the source's build status
    comment         INTEGER NOT NULL DEFAULT 0,
    said            TEXT NOT NULL DEFAULT '', -- digest of the comment's text
    PRIMARY KEY (organization_id, pull_request)
);
-- The last delivery that told of a pull request.
ALTER TABLE mirror_webhooks ADD COLUMN pull_request_at TIMESTAMP;
