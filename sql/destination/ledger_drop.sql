-- Removes what ledger.sql created. Needs: ownership of it.
DROP SCHEMA multiboard_sync CASCADE;
