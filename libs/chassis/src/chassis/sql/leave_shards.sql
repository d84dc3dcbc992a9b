-- $1 this relay. The others need not wait for its leases to end.
WITH left_ AS (UPDATE relay_cursor SET owner = NULL, lease_until = NULL WHERE owner = $1)
DELETE FROM relay_member WHERE owner = $1
