-- Where a source was when it was seen: a connection's name may come to stand for another server. What was seen
-- before this column was there counts as seen nowhere.
ALTER TABLE source_sighting ADD COLUMN place TEXT NOT NULL DEFAULT '';
