-- Comments on everything that the user made, each with the words that follow COMMENT ON. The comment of schema public
-- is read with the schemas (initdb gives it one), that of the database with the database.
SELECT
    x.classoid AS class,
    x.objoid AS object,
    x.objsubid AS sub,
    CASE
        WHEN p.prokind = 'a' THEN 'AGGREGATE ' || f.name || '(' || COALESCE(NULLIF(f.arguments, ''), '*') || ')'
        WHEN p.prokind = 'p' THEN 'PROCEDURE ' || f.name || '(' || f.arguments || ')'
        WHEN p.oid IS NOT NULL THEN 'FUNCTION ' || f.name || '(' || f.arguments || ')'
        WHEN c.contypid <> 0 THEN
            'CONSTRAINT ' || pg_catalog.quote_ident(c.conname) || ' ON DOMAIN ' || pg_catalog.format_type(c.contypid, NULL)
        WHEN i.type = 'table constraint' THEN 'CONSTRAINT ' || i.identity
        WHEN i.type LIKE '% column' THEN 'COLUMN ' || i.identity
        WHEN i.type = 'statistics object' THEN 'STATISTICS ' || i.identity
        WHEN i.type = 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER ' || i.identity
        ELSE pg_catalog.upper(i.type) || ' ' || i.identity
    END AS subject,
    x.description AS text
FROM pg_catalog.pg_description AS x
CROSS JOIN LATERAL pg_catalog.pg_identify_object(x.classoid, x.objoid, x.objsubid) AS i
LEFT JOIN pg_catalog.pg_proc AS p
    ON x.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = x.objoid
LEFT JOIN LATERAL (
    SELECT
        pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname) AS name,
        pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments
    FROM pg_catalog.pg_namespace AS n WHERE n.oid = p.pronamespace) AS f ON TRUE
LEFT JOIN pg_catalog.pg_constraint AS c
    ON x.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND c.oid = x.objoid
WHERE (x.objoid >= 16384 OR x.classoid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass)
  AND i.identity IS NOT NULL
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = x.classoid AND d.objid = x.objoid AND d.deptype = 'e')
ORDER BY x.classoid, x.objoid, x.objsubid;
