"""AsmitKT/Signature-Forgery-Detection: its network and its preprocessing, written anew."""
