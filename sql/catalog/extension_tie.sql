-- What is dropped with an extension although it is no member of it (ALTER .. DEPENDS ON EXTENSION): indexes,
-- materialized views and triggers. Functions are read with their ties.
SELECT
    d.classid AS class,
    d.objid AS object,
    pg_catalog.format('ALTER %s DEPENDS ON EXTENSION %I',
        CASE WHEN t.oid IS NOT NULL
             THEN pg_catalog.format('TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname)
             ELSE pg_catalog.format('%s %I.%I',
                 CASE WHEN c.relkind = 'm' THEN 'MATERIALIZED VIEW' ELSE 'INDEX' END, n.nspname, c.relname) END,
        e.extname) AS statement
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
LEFT JOIN pg_catalog.pg_trigger AS t ON d.classid = 2620 AND t.oid = d.objid
JOIN pg_catalog.pg_class AS c ON c.oid = CASE WHEN d.classid = 2620 THEN t.tgrelid ELSE d.objid END
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE d.deptype = 'x'
  AND d.refclassid = 3079
  AND (d.classid = 2620 OR d.classid = 1259 AND c.relkind IN ('i', 'I', 'm'))
ORDER BY d.classid, d.objid, e.extname;
