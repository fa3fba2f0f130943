-- Triggers of users that fire while changes are applied too (ENABLE ALWAYS, ENABLE REPLICA), by table. Any role may read this.
SELECT n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name,
       pg_catalog.string_agg(pg_catalog.quote_ident(t.tgname), ', ' ORDER BY t.tgname) AS triggers
  FROM pg_catalog.pg_trigger AS t
  JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE t.tgenabled IN ('A', 'R')
   AND NOT t.tgisinternal
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'multiboard_sync')
 GROUP BY n.nspname, c.relname
 ORDER BY 1, 2
