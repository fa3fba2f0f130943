-- The transactions of all databases that have written something and are not over, prepared ones too, and who runs each, in words;
-- those of $1 alone, where that is given. Every transaction holds a lock on its own number, and any role may see locks: a
-- snapshot leaves out what began after the last one that ended. What sessions do is not in the words: queries hold values.
SELECT l.transactionid::pg_catalog.text AS xid,
       CASE WHEN l.pid IS NOT NULL
            THEN pg_catalog.concat_ws(', ', 'process ' || l.pid, 'of ' || a.usename, 'in database ' || a.datname,
                     'begun at ' || pg_catalog.date_trunc('second', a.xact_start),
                     CASE a.state WHEN 'idle in transaction' THEN 'idle in its transaction' ELSE a.state END)
            ELSE (SELECT pg_catalog.concat_ws(', ', 'prepared as ' || pg_catalog.quote_literal(p.gid), 'by ' || p.owner,
                             'in database ' || p.database, 'at ' || pg_catalog.date_trunc('second', p.prepared))
                    FROM pg_catalog.pg_prepared_xacts AS p WHERE p.transaction = l.transactionid)
        END AS who
  FROM pg_catalog.pg_locks AS l
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
 WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
   AND ($1::pg_catalog.text[] IS NULL OR l.transactionid::pg_catalog.text = ANY ($1))
 ORDER BY a.xact_start, 1
