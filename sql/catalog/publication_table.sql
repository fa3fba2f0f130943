-- Tables in publications, with column lists and row filters (PostgreSQL 15 on).
SELECT
    6106::pg_catalog.oid AS class,
    r.oid,
    n.nspname::pg_catalog.text AS schema,
    c.relname::pg_catalog.text AS name,
    p.oid AS publication,
    p.pubname::pg_catalog.text AS publication_name,
    ARRAY[pg_catalog.format('ALTER PUBLICATION %I ADD TABLE ONLY %I.%I', p.pubname, n.nspname, c.relname)
        || COALESCE((SELECT ' (' || pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY k.position) || ')'
             FROM pg_catalog.unnest(r.prattrs::pg_catalog.int2[]) WITH ORDINALITY AS k (number, position)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.prrelid AND a.attnum = k.number), '')
        || COALESCE(' WHERE (' || pg_catalog.pg_get_expr(r.prqual, r.prrelid) || ')', '')] AS statements,
    c.oid AS relation,
    false AS wide
FROM pg_catalog.pg_publication_rel AS r
JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
JOIN pg_catalog.pg_class AS c ON c.oid = r.prrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE p.oid >= 16384
  -- A mirror's own, whose name ends in an installation's eight digits.
  AND p.pubname !~ '^mbs_[a-z0-9_]+_[0-9a-f]{8}$'
ORDER BY p.pubname, n.nspname, c.relname;
