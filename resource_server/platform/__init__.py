"""What every service stands on: its store, its migrations, its log. It knows no service and no HTTP."""
