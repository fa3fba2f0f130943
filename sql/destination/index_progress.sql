-- How far the index builds of these backends are, from 0 to 1: the table's scan counts for half, loading for half.
-- $1 process ids of our own backends (manual, "CREATE INDEX Progress Reporting"). Own sessions' rows are visible.
SELECT p.pid,
       CASE WHEN p.phase LIKE 'building index: loading%' AND p.tuples_total > 0
            THEN 0.5 + 0.5 * p.tuples_done / p.tuples_total
            WHEN p.blocks_total > 0
            THEN 0.5 * p.blocks_done / p.blocks_total
            ELSE 0 END::float8 AS share
  FROM pg_catalog.pg_stat_progress_create_index AS p
 WHERE p.pid = ANY ($1)
