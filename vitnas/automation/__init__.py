"""From images and a limit to a network: which archs compete, how they are trained, and what the winner is worth."""
