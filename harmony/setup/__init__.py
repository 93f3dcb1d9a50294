"""The set-up of an integration: drafts of the wizard's pages, their Verify, and what Finish puts in force."""
