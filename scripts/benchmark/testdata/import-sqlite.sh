#!/bin/sh
# What was pushed is fetched, merged, and what it changed goes into the tables.
set -eu
cd "$CLONE"
old=$(git rev-parse -q --verify HEAD || git hash-object -t tree /dev/null)
git fetch -q origin main
new=$(git rev-parse FETCH_HEAD)
[ "$old" != "$new" ] || exit 0
git diff --name-only --diff-filter=d --no-renames "$old" "$new" >../changed
git merge -q --ff-only FETCH_HEAD
sqlite3 -batch -bail "$DATABASE" <<SQL
.timeout 20000
CREATE TEMP TABLE paths (path TEXT);
.mode tabs
.import ../changed paths
CREATE TEMP TABLE incoming AS SELECT path, CAST(readfile(path) AS TEXT) AS content FROM paths;
BEGIN IMMEDIATE;
.read $SCRIPTS/load-sqlite.sql
COMMIT;
SQL
