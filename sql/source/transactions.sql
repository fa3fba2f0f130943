-- Who runs the transactions $1 (xid8 as text): sessions with what they do, and prepared transactions. What our role may not see
-- of others' sessions is empty.
SELECT a.pid,
       NULL::pg_catalog.text AS gid,
       COALESCE(a.usename::pg_catalog.text, '') AS username,
       COALESCE(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start), 0) AS seconds,
       pg_catalog.left(COALESCE(a.query, ''), 200) AS query
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.backend_xid IN (SELECT x::pg_catalog.xid8::pg_catalog.xid FROM pg_catalog.unnest($1::pg_catalog.text[]) AS u (x))
UNION ALL
SELECT NULL,
       p.gid,
       p.owner::pg_catalog.text,
       COALESCE(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - p.prepared), 0),
       ''
  FROM pg_catalog.pg_prepared_xacts AS p
 WHERE p.transaction IN (SELECT x::pg_catalog.xid8::pg_catalog.xid FROM pg_catalog.unnest($1::pg_catalog.text[]) AS u (x))
 ORDER BY seconds DESC
