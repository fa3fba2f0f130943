-- Who keeps even a read of one table waiting: who holds, or waits for, ACCESS EXCLUSIVE on it or on one of its indexes, which
-- whatever plans a query locks too (REINDEX INDEX takes it on the index alone).
-- Before it goes WITH wanted (oid) AS (VALUES (the table's oid)). Queries of other roles are NULL for roles without
-- pg_read_all_stats.
SELECT l.pid,
       coalesce(a.usename, '') AS username,
       CASE WHEN l.relation = w.oid THEN 'the table' ELSE 'index ' || c.relname END AS locked,
       coalesce(pg_catalog.left(a.query, 200), '') AS query
  FROM wanted AS w
  JOIN pg_catalog.pg_locks AS l
    ON l.relation = w.oid OR l.relation IN (SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid = w.oid)
  JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
 WHERE l.locktype = 'relation'
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
   AND l.mode = 'AccessExclusiveLock'
 ORDER BY l.granted DESC, l.pid
