-- Views and materialized views of the user, as the server prints them.
SELECT
    c.oid,
    n.nspname::pg_catalog.text AS schema,
    c.relname::pg_catalog.text AS name,
    c.relkind = 'm' AS materialized,
    c.relispopulated AS populated,
    c.reltype AS row_type,
    t.typarray AS array_type,
    r.oid AS rule,
    pg_catalog.pg_get_viewdef(c.oid) AS definition,
    COALESCE(c.reloptions, '{}'::pg_catalog.text[]) AS options,
    COALESCE(toast.reloptions, '{}'::pg_catalog.text[]) AS toast_options,
    am.amname::pg_catalog.text AS access_method,
    ts.spcname::pg_catalog.text AS tablespace
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = c.oid AND r.rulename = '_RETURN'
LEFT JOIN pg_catalog.pg_type AS t ON t.oid = c.reltype
LEFT JOIN pg_catalog.pg_am AS am ON am.oid = c.relam
LEFT JOIN pg_catalog.pg_tablespace AS ts ON ts.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_class AS toast ON toast.oid = c.reltoastrelid
WHERE c.relkind IN ('v', 'm')
  AND n.nspname::pg_catalog.text !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname;
