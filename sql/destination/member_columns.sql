-- Adds to the record of a mirror's tables what builds before this one did not keep (checkpoint.sql says what it is); `mirror drop`
-- removes it with the tables. Needs: to own them. An entry of '?' is one that nobody has read since.
ALTER TABLE multiboard_sync.member
    ADD COLUMN IF NOT EXISTS destination_oid pg_catalog.oid,
    ADD COLUMN IF NOT EXISTS column_sum pg_catalog.text,
    ADD COLUMN IF NOT EXISTS source_columns pg_catalog.int2[],
    ADD COLUMN IF NOT EXISTS source_meanings pg_catalog.text[],
    ADD COLUMN IF NOT EXISTS destination_columns pg_catalog.int2[],
    ADD COLUMN IF NOT EXISTS replaced_columns pg_catalog.text[],
    ADD COLUMN IF NOT EXISTS entry pg_catalog.text DEFAULT '?';
ALTER TABLE multiboard_sync.member ALTER COLUMN entry DROP DEFAULT;
