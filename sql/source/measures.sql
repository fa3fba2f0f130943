-- How big tables and indexes ($1, oids) are under the snapshot's locks.
--   blocks   of the heap or index itself, not relpages, which is 0 after a bulk load
--   rows     as ANALYZE last saw them, brought to the size of now; NULL where it never did
-- Needs: nothing beyond a connection.
SELECT c.oid,
       m.blocks,
       CASE WHEN c.reltuples > 0 AND c.relpages > 0
            THEN (c.reltuples / c.relpages * m.blocks)::pg_catalog.int8
       END AS rows
  FROM pg_catalog.pg_class AS c
 CROSS JOIN LATERAL (
       SELECT coalesce(pg_catalog.pg_relation_size(c.oid), 0)
              / pg_catalog.current_setting('block_size')::pg_catalog.int8 AS blocks
       ) AS m
 WHERE c.oid = ANY ($1::pg_catalog.oid[])
