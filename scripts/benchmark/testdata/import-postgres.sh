#!/bin/sh
# What was pushed is fetched, merged, and what it changed goes into the tables.
set -eu
cd "$CLONE"
old=$(git rev-parse -q --verify HEAD || git hash-object -t tree /dev/null)
git fetch -q origin main
new=$(git rev-parse FETCH_HEAD)
[ "$old" != "$new" ] || exit 0
git diff --name-status --no-renames "$old" "$new" >../changed
git merge -q --ff-only FETCH_HEAD
awk -F'\t' '$1 != "D" {
	text = ""
	while ((getline line < $2) > 0) text = text line "\n"
	close($2)
	gsub(/\\/, "\\\\\\\\", text); gsub(/\t/, "\\t", text); gsub(/\n/, "\\n", text)
	print $2 "\t" text
}' ../changed >../incoming
psql -Xq -v ON_ERROR_STOP=1 "$DATABASE" <<SQL
BEGIN;
CREATE TEMP TABLE incoming (path text, content text) ON COMMIT DROP;
\copy incoming FROM '../incoming'
\i $SCRIPTS/load-postgres.sql
COMMIT;
SQL
