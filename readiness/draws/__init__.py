"""Pages of draws: what to draw from, and how it went. The draw itself: checklists/draws/."""
