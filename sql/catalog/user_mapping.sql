-- User mappings, named as people do. Their options hold passwords: others than superusers see none, and get no statement.
SELECT
    1418::pg_catalog.oid AS class,
    m.umid AS oid,
    NULL::pg_catalog.text AS schema,
    CASE WHEN m.umuser = 0 THEN 'public' ELSE m.usename::pg_catalog.text END AS name,
    CASE WHEN NOT r.rolsuper THEN '{}' ELSE
        ARRAY[pg_catalog.format('CREATE USER MAPPING FOR %s SERVER %I%s',
            CASE WHEN m.umuser = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(m.usename) END, m.srvname,
            (SELECT ' OPTIONS (' || pg_catalog.string_agg(pg_catalog.format('%I %L', o.option_name, o.option_value), ', ' ORDER BY o.option_name) || ')'
             FROM pg_catalog.pg_options_to_table(m.umoptions) AS o))] END AS statements,
    NULL::pg_catalog.oid AS relation,
    m.srvid AS server,
    m.srvname::pg_catalog.text AS server_name,
    CASE WHEN m.umuser <> 0 THEN m.usename::pg_catalog.text END AS role
FROM pg_catalog.pg_user_mappings AS m
JOIN pg_catalog.pg_roles AS r ON r.rolname = CURRENT_USER
WHERE m.umid >= 16384
ORDER BY m.srvname, 4;
