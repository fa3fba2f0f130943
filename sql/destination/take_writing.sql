-- Takes the right to write to database $1 for the life of this session, and says whether it was had; where it was not, who has it.
-- A session whose application_name is one of $2 is known to be nobody's any more, as its connection was lost: it is ended, and the
-- right is there to be asked for again. Run on the maintenance database. Needs: the role of that session.
WITH wanted AS MATERIALIZED (
       SELECT pg_catalog.hashtextextended('multiboard-sync writes ' || $1, 0) AS key),
     had AS MATERIALIZED (
       SELECT pg_catalog.pg_try_advisory_lock(w.key) AS had FROM wanted AS w),
     other AS MATERIALIZED (
       SELECT a.pid,
              a.application_name AS application,
              pg_catalog.format('%s (process %s%s, since %s UTC)',
                                COALESCE(pg_catalog.substring(a.application_name, '^multiboard-sync (.*)$'), 'another session'),
                                a.pid,
                                ' at ' || pg_catalog.host(a.client_addr),
                                pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')) AS described
         FROM had AS h
        CROSS JOIN wanted AS w
         JOIN pg_catalog.pg_locks AS l
           ON l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
          AND (l.classid::pg_catalog.int8 << 32) | l.objid::pg_catalog.int8 = w.key
         JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
        WHERE NOT h.had),
     ended AS MATERIALIZED (
       SELECT pg_catalog.pg_terminate_backend(o.pid, 5000) AS ended FROM other AS o WHERE o.application = ANY ($2))
SELECT h.had, o.application, o.described, (SELECT pg_catalog.count(*) FROM ended) AS ended
  FROM had AS h LEFT JOIN other AS o ON true
 LIMIT 1
