-- Tables in publications, up to PostgreSQL 14: whole.
SELECT
    6106::pg_catalog.oid AS class,
    r.oid,
    n.nspname::pg_catalog.text AS schema,
    c.relname::pg_catalog.text AS name,
    p.oid AS publication,
    p.pubname::pg_catalog.text AS publication_name,
    ARRAY[pg_catalog.format('ALTER PUBLICATION %I ADD TABLE ONLY %I.%I', p.pubname, n.nspname, c.relname)] AS statements,
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
