-- +goose Up
-- What was said of the pull requests into a mirror's branch, so that nothing is said twice.
-- No foreign keys: what is left here is swept.
CREATE TABLE mirror_review_rounds (
    organization_id uuid PRIMARY KEY NOT NULL,
    identity        text NOT NULL,            -- of the mirror; what another one was told counts for nothing
    listed_at       timestamptz,              -- when the host was last asked for the open ones
    head            text NOT NULL DEFAULT '', -- the mirrored branch's commit that all was reviewed against
    credentials     text NOT NULL DEFAULT '', -- digest of those that were used
    unable          jsonb NOT NULL DEFAULT '{}'  -- what they lack the permission for, and when that was found
);
CREATE TABLE mirror_reviews (
    organization_id uuid NOT NULL,
    pull_request    bigint NOT NULL,
    branch          text NOT NULL,
    fork            text NOT NULL DEFAULT '', -- the source's repository, when that is another one
    source          text NOT NULL DEFAULT '', -- the commits reviewed
    destination     text NOT NULL DEFAULT '',
    status          text NOT NULL DEFAULT '', -- digest of the source's build status
    comment         bigint NOT NULL DEFAULT 0,
    said            text NOT NULL DEFAULT '', -- digest of the comment's text
    PRIMARY KEY (organization_id, pull_request)
);
-- The last delivery that told of a pull request.
ALTER TABLE mirror_webhooks ADD COLUMN pull_request_at timestamptz;
