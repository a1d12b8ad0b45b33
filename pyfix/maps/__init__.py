"""maps - lookup tables, one file per type, and the orders in which their keys are tried."""
