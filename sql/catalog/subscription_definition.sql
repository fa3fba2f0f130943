-- Subscriptions of this database, whole: for a superuser. They are made unable to act: without a slot (dropping such a
-- copy would drop the real subscriber's), not connected, not enabled.
SELECT
    6100::pg_catalog.oid AS class,
    s.oid,
    NULL::pg_catalog.text AS schema,
    s.subname::pg_catalog.text AS name,
    ARRAY[pg_catalog.format('CREATE SUBSCRIPTION %I CONNECTION %L PUBLICATION %s WITH (connect = false, slot_name = NONE',
            s.subname, s.subconninfo,
            (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(u.name), ', ' ORDER BY u.position)
             FROM pg_catalog.unnest(s.subpublications) WITH ORDINALITY AS u (name, position)))
        || CASE WHEN s.subbinary THEN ', binary = true' ELSE '' END
        || CASE j.row ->> 'substream' WHEN 't' THEN ', streaming = on' WHEN 'true' THEN ', streaming = on'
                WHEN 'p' THEN ', streaming = parallel' ELSE ', streaming = off' END
        || CASE WHEN j.row ->> 'subtwophasestate' IN ('p', 'e') THEN ', two_phase = on' ELSE '' END
        || CASE WHEN j.row ->> 'subdisableonerr' = 'true' THEN ', disable_on_error = true' ELSE '' END
        || CASE WHEN j.row ->> 'subpasswordrequired' = 'false' THEN ', password_required = false' ELSE '' END
        || CASE WHEN j.row ->> 'subrunasowner' = 'true' THEN ', run_as_owner = true' ELSE '' END
        || CASE WHEN j.row ->> 'subfailover' = 'true' THEN ', failover = true' ELSE '' END
        || CASE WHEN s.subsynccommit <> 'off' THEN pg_catalog.format(', synchronous_commit = %L', s.subsynccommit) ELSE '' END
        || CASE WHEN j.row ->> 'suborigin' <> 'any' THEN pg_catalog.format(', origin = %I', j.row ->> 'suborigin') ELSE '' END
        || ')'] AS statements,
    NULL::pg_catalog.oid AS relation
FROM pg_catalog.pg_subscription AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(s) AS row) AS j
WHERE d.datname = pg_catalog.current_database()
ORDER BY s.subname;
