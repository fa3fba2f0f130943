-- What a cluster says of these roles ($1), for source and destination alike: rights beside row-level security, groups with the
-- options of each membership (INHERIT and SET are from 16 on, NULL before), and settings that they have in every database.
-- Any role may read this.
SELECT r.rolname::pg_catalog.text AS name,
       r.rolsuper AS superuser,
       r.rolbypassrls AS bypasses_rls,
       r.rolinherit AS inherits,
       ARRAY(SELECT pg_catalog.split_part(u.entry, '=', 1)
               FROM pg_catalog.pg_db_role_setting AS s
              CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS u (entry)
              WHERE s.setrole = r.oid AND s.setdatabase = 0
              ORDER BY 1) AS settings,
       m.groups, m.admin, m.inherit, m.set
  FROM pg_catalog.pg_roles AS r
 CROSS JOIN LATERAL (
       SELECT COALESCE(pg_catalog.array_agg(t.name ORDER BY t.name), '{}') AS groups,
              COALESCE(pg_catalog.array_agg(t.admin ORDER BY t.name), '{}') AS admin,
              COALESCE(pg_catalog.array_agg(t.inherit ORDER BY t.name), '{}') AS inherit,
              COALESCE(pg_catalog.array_agg(t.set ORDER BY t.name), '{}') AS set
         FROM (SELECT pg_catalog.pg_get_userbyid(a.roleid)::pg_catalog.text AS name,
                      pg_catalog.bool_or(a.admin_option) AS admin,
                      pg_catalog.bool_or((j.row ->> 'inherit_option')::pg_catalog.bool) AS inherit,
                      pg_catalog.bool_or((j.row ->> 'set_option')::pg_catalog.bool) AS set
                 FROM pg_catalog.pg_auth_members AS a
                CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(a) AS row) AS j
                WHERE a.member = r.oid
                GROUP BY a.roleid) AS t) AS m
 WHERE r.rolname = ANY ($1::pg_catalog.text[])
 ORDER BY r.rolname
