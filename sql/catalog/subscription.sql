-- Subscriptions of this database, by name; "readable": whether our role may also read how they connect.
SELECT
    6100::pg_catalog.oid AS class,
    s.oid,
    NULL::pg_catalog.text AS schema,
    s.subname::pg_catalog.text AS name,
    '{}'::pg_catalog.text[] AS statements,
    NULL::pg_catalog.oid AS relation,
    pg_catalog.has_column_privilege('pg_catalog.pg_subscription', 'subconninfo', 'SELECT') AS readable
FROM pg_catalog.pg_subscription AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
WHERE d.datname = pg_catalog.current_database()
ORDER BY s.subname;
