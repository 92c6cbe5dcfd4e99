"""Every file that leaves a run or a report, one module each: its columns or fields, its writer and its reader."""
