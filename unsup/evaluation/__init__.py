"""How good codes are: numbers that do not depend on how the codes were learned."""
