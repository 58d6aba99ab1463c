"""Fine-tuning: what deberta_c offers for it is imported when it is used."""
