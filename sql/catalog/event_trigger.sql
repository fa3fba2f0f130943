-- Event triggers, with the state in which they are.
SELECT
    3466::pg_catalog.oid AS class,
    e.oid,
    NULL::pg_catalog.text AS schema,
    e.evtname::pg_catalog.text AS name,
    ARRAY[pg_catalog.format('CREATE EVENT TRIGGER %I ON %I%s EXECUTE FUNCTION %I.%I()', e.evtname, e.evtevent,
            (SELECT ' WHEN TAG IN (' || pg_catalog.string_agg(pg_catalog.quote_literal(t.tag), ', ' ORDER BY t.position) || ')'
             FROM pg_catalog.unnest(e.evttags) WITH ORDINALITY AS t (tag, position)),
            n.nspname, p.proname)]
        || CASE WHEN e.evtenabled <> 'O'
                THEN ARRAY[pg_catalog.format('ALTER EVENT TRIGGER %I %s', e.evtname,
                    CASE e.evtenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END)]
                ELSE '{}' END AS statements,
    NULL::pg_catalog.oid AS relation
FROM pg_catalog.pg_event_trigger AS e
JOIN pg_catalog.pg_proc AS p ON p.oid = e.evtfoid
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE e.oid >= 16384
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 3466 AND d.objid = e.oid AND d.deptype = 'e')
ORDER BY e.evtname;
