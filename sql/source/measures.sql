-- How big tables and indexes ($1, oids) are. Asking a relation for its size locks it (ACCESS SHARE): tables are under
-- the snapshot's locks already, and an index that is just being rebuilt is not waited for.
--   blocks   of a table's heap, not relpages, which is 0 after a bulk load; of an index relpages, which its build has set
--   bytes    of the heap and its TOAST table
--   rows     as ANALYZE last saw them, brought to the size of now; NULL where it never did
-- Needs: ACCESS SHARE locks on the tables.
SELECT c.oid,
       m.blocks,
       CASE WHEN c.reltuples > 0 AND c.relpages > 0
            THEN (c.reltuples / c.relpages * m.blocks)::pg_catalog.int8
       END AS rows,
       m.blocks * pg_catalog.current_setting('block_size')::pg_catalog.int8
           + CASE WHEN m.blocks > 0 AND c.reltoastrelid <> 0
                  THEN coalesce(pg_catalog.pg_relation_size(c.reltoastrelid), 0) ELSE 0 END AS bytes
  FROM pg_catalog.pg_class AS c
 CROSS JOIN LATERAL (
       SELECT CASE WHEN c.relkind IN ('i', 'I') THEN c.relpages::pg_catalog.int8
              ELSE coalesce(pg_catalog.pg_relation_size(c.oid), 0)
                   / pg_catalog.current_setting('block_size')::pg_catalog.int8 END AS blocks
       OFFSET 0
       ) AS m
 WHERE c.oid = ANY ($1::pg_catalog.oid[])
