"""What the API computes, without the web: functions of an editor, in memory only."""
