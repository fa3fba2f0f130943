-- Whether the session that writes mirror $1 waits, for others or through them, for the one that brings tables of it in: no row
-- where it does not. PostgreSQL sees no deadlock there: the one that brings in waits for the other in our own process.
-- Both are known by the advisory locks that they hold. Any role may read this.
WITH RECURSIVE held AS (
       SELECT l.pid, l.classid::pg_catalog.int8 << 32 | l.objid::pg_catalog.int8 AS key
         FROM pg_catalog.pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())),
     writer AS (
       SELECT h.pid FROM held AS h WHERE h.key = pg_catalog.hashtextextended('multiboard-sync mirror ' || $1, 0)),
     joiner AS (
       SELECT h.pid FROM held AS h WHERE h.key = pg_catalog.hashtextextended('multiboard-sync join ' || $1, 0)),
     waits (pid) AS (
       SELECT w.pid FROM writer AS w
        UNION
       SELECT b.pid FROM waits AS w CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) AS b (pid))
SELECT w.pid AS writer,
       j.pid AS joiner,
       (SELECT n.nspname || '.' || c.relname
          FROM pg_catalog.pg_locks AS l
          JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
          JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         WHERE NOT l.granted AND l.pid IN (SELECT o.pid FROM waits AS o)
           AND EXISTS (SELECT FROM pg_catalog.pg_locks AS g
                        WHERE g.granted AND g.pid = j.pid AND g.database = l.database AND g.relation = l.relation)
         ORDER BY 1 LIMIT 1) AS for_table
  FROM writer AS w
 CROSS JOIN joiner AS j
 WHERE j.pid IN (SELECT o.pid FROM waits AS o)
 LIMIT 1
