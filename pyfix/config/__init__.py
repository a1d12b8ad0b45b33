"""config - main.cf and master.cf: syntax, expansion, editing, and how a parameter is declared."""
