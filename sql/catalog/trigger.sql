-- Triggers of the user, as the server prints them: none of the internal ones that hold foreign keys, and a
-- partition's copy of its parent's trigger (internal too, up to PostgreSQL 14) only where its state differs.
SELECT
    t.oid,
    t.tgname::pg_catalog.text AS name,
    t.tgrelid AS relation,
    n.nspname::pg_catalog.text AS schema,
    c.relname::pg_catalog.text AS table_name,
    t.tgenabled AS state,
    parent.oid AS parent,
    fn.nspname::pg_catalog.text AS function_schema,
    CASE WHEN t.tgparentid = 0 THEN pg_catalog.pg_get_triggerdef(t.oid) END AS definition
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS fn ON fn.oid = f.pronamespace
LEFT JOIN pg_catalog.pg_trigger AS parent ON parent.oid = t.tgparentid
WHERE (t.tgparentid = 0 AND NOT t.tgisinternal
       OR t.tgenabled <> parent.tgenabled AND NOT EXISTS (
           SELECT 1 FROM pg_catalog.pg_constraint AS k
           WHERE k.oid = t.tgconstraint AND k.contype = 'f'))
  AND n.nspname::pg_catalog.text !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname, t.tgname;
