-- Schemas in publications (PostgreSQL 15 on), which only a superuser may add.
SELECT
    6237::pg_catalog.oid AS class,
    s.oid,
    NULL::pg_catalog.text AS schema,
    n.nspname::pg_catalog.text AS name,
    p.oid AS publication,
    p.pubname::pg_catalog.text AS publication_name,
    ARRAY[pg_catalog.format('ALTER PUBLICATION %I ADD TABLES IN SCHEMA %I', p.pubname, n.nspname)] AS statements,
    NULL::pg_catalog.oid AS relation,
    true AS wide
FROM pg_catalog.pg_publication_namespace AS s
JOIN pg_catalog.pg_publication AS p ON p.oid = s.pnpubid
JOIN pg_catalog.pg_namespace AS n ON n.oid = s.pnnspid
WHERE p.oid >= 16384
  -- A mirror's own, whose name ends in an installation's eight digits.
  AND p.pubname !~ '^mbs_[a-z0-9_]+_[0-9a-f]{8}$'
ORDER BY p.pubname, n.nspname;
