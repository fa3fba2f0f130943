-- Roles whose comment begins with our mark $1, the job that follows it, and whether somebody uses them by what other roles
-- show. Membership of our own role does not count: whoever creates a role and is no superuser has it.
-- Any role may read this.
SELECT r.rolname::text AS name,
       pg_catalog.substr(c.comment, pg_catalog.length($1) + 1) AS job,
       r.rolcanlogin AS may_log_in,
       EXISTS (SELECT FROM pg_catalog.pg_auth_members AS m
                WHERE m.member = r.oid
                   OR m.roleid = r.oid AND pg_catalog.pg_get_userbyid(m.member) <> CURRENT_USER) AS has_ties
  FROM pg_catalog.pg_roles AS r
 CROSS JOIN LATERAL pg_catalog.shobj_description(r.oid, 'pg_authid') AS c (comment)
 WHERE pg_catalog.starts_with(c.comment, $1)
 ORDER BY r.oid
