-- Which life of a server this is: the same word as long as nothing can have emptied an unlogged table.
-- A server that recovers from a crash empties those, and throws away what it has counted, as of that moment
-- (pg_stat_archiver.stats_reset); one that was stopped in order keeps both. When it was started does not tell: where only a
-- process crashes, the one that started it stays and recovers.
SELECT coalesce(stats_reset::pg_catalog.text, '') AS life FROM pg_catalog.pg_stat_archiver
