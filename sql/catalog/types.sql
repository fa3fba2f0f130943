-- Types that the user made: enum, domain, composite, range; shell types that were never completed.
-- Row types of tables, array types and multirange types come with what they belong to.
SELECT
    t.oid,
    n.nspname::pg_catalog.text AS schema,
    t.typname::pg_catalog.text AS name,
    CASE WHEN t.typisdefined THEN t.typtype ELSE 's'::pg_catalog."char" END AS kind,
    t.typarray AS array_type,
    t.typrelid AS relation,
    -- enum
    ARRAY(
        SELECT e.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum AS e
        WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
    -- domain
    CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END AS base_type,
    CASE WHEN t.typtype = 'd' AND t.typcollation <> b.typcollation
         THEN pg_catalog.quote_ident(tcn.nspname) || '.' || pg_catalog.quote_ident(tc.collname) END AS collation,
    t.typnotnull AS not_null,
    CASE WHEN t.typtype = 'd' THEN pg_catalog.pg_get_expr(t.typdefaultbin, 'pg_catalog.pg_type'::pg_catalog.regclass) END AS default_expression,
    CASE WHEN t.typtype = 'd' AND t.typdefaultbin IS NULL THEN t.typdefault END AS default_text,
    -- range
    pg_catalog.format_type(r.rngsubtype, NULL) AS subtype,
    CASE WHEN NOT o.opcdefault
         THEN pg_catalog.quote_ident(onsp.nspname) || '.' || pg_catalog.quote_ident(o.opcname) END AS subtype_operator_class,
    CASE WHEN r.rngcollation <> s.typcollation
         THEN pg_catalog.quote_ident(rcn.nspname) || '.' || pg_catalog.quote_ident(rc.collname) END AS subtype_collation,
    NULLIF(r.rngcanonical::pg_catalog.oid, 0::pg_catalog.oid) AS canonical,
    CASE WHEN r.rngcanonical <> 0 THEN r.rngcanonical::pg_catalog.regproc::pg_catalog.text END AS canonical_name,
    CASE WHEN r.rngsubdiff <> 0 THEN r.rngsubdiff::pg_catalog.regproc::pg_catalog.text END AS subtype_diff,
    m.oid AS multirange_type,
    m.typarray AS multirange_array_type,
    mn.nspname::pg_catalog.text AS multirange_schema,
    m.typname::pg_catalog.text AS multirange_name
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
LEFT JOIN pg_catalog.pg_type AS b ON b.oid = t.typbasetype
LEFT JOIN pg_catalog.pg_collation AS tc ON tc.oid = t.typcollation
LEFT JOIN pg_catalog.pg_namespace AS tcn ON tcn.oid = tc.collnamespace
LEFT JOIN pg_catalog.pg_range AS r ON r.rngtypid = t.oid
LEFT JOIN pg_catalog.pg_type AS s ON s.oid = r.rngsubtype
LEFT JOIN pg_catalog.pg_opclass AS o ON o.oid = r.rngsubopc
LEFT JOIN pg_catalog.pg_namespace AS onsp ON onsp.oid = o.opcnamespace
LEFT JOIN pg_catalog.pg_collation AS rc ON rc.oid = r.rngcollation
LEFT JOIN pg_catalog.pg_namespace AS rcn ON rcn.oid = rc.collnamespace
LEFT JOIN pg_catalog.pg_type AS m ON m.oid = r.rngmultitypid
LEFT JOIN pg_catalog.pg_namespace AS mn ON mn.oid = m.typnamespace
WHERE n.nspname::pg_catalog.text !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c') OR NOT t.typisdefined)
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
        AND d.objid = t.oid AND d.deptype = 'e')
ORDER BY n.nspname, t.typname;
