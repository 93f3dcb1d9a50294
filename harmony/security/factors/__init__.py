"""Second factors: one-time codes, recovery codes and passkeys; the sign-ins that wait for one."""
