-- Who holds, or waits for, ACCESS EXCLUSIVE on these tables: what a LOCK .. ACCESS SHARE gives up on.
-- $1 oids of tables, or NULL for whatever is the user's. Queries of other roles are NULL for roles without pg_read_all_stats.
SELECT n.nspname AS schema,
       c.relname AS name,
       l.pid,
       CASE WHEN c.relkind = 'm' THEN 'materialized view' WHEN c.relkind IN ('i', 'I') THEN 'index'
            WHEN c.relkind = 'v' THEN 'view' ELSE 'table' END AS kind,
       -- A prepared transaction has no process (manual, "pg_locks").
       p.gid,
       coalesce(a.usename, p.owner, '') AS username,
       coalesce(pg_catalog.left(a.query, 200), '') AS query
  FROM pg_catalog.pg_locks AS l
  JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
  LEFT JOIN LATERAL (
       SELECT x.gid, x.owner
         FROM pg_catalog.pg_locks AS own
         JOIN pg_catalog.pg_prepared_xacts AS x ON x.transaction = own.transactionid
        WHERE own.locktype = 'transactionid' AND own.pid IS NULL
          AND own.virtualtransaction = l.virtualtransaction
        LIMIT 1) AS p ON l.pid IS NULL
 WHERE l.locktype = 'relation'
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
   AND l.mode = 'AccessExclusiveLock'
   AND (l.relation = ANY ($1) OR $1 IS NULL AND l.relation >= 16384)
 ORDER BY l.granted DESC, n.nspname, c.relname
